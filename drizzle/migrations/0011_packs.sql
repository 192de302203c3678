CREATE TABLE "build_packs" (
	"build_id" text NOT NULL,
	"pack" text NOT NULL,
	CONSTRAINT "build_packs_build_id_pack_pk" PRIMARY KEY("build_id","pack")
);
--> statement-breakpoint
CREATE TABLE "packs" (
	"digest" text PRIMARY KEY NOT NULL,
	"project" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"patch_bytes" bigint NOT NULL,
	"info_hash" text NOT NULL,
	"stored_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleting_at" timestamp (3) with time zone
);
--> statement-breakpoint
DROP INDEX "builds_by_pack";--> statement-breakpoint
ALTER TABLE "builds" ALTER COLUMN "pack_digest" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "stream_bytes" bigint NOT NULL;--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "new_bytes" bigint NOT NULL;--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "chunk_count" integer NOT NULL;--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "new_chunk_count" integer NOT NULL;--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "patch_bytes" bigint NOT NULL;--> statement-breakpoint
ALTER TABLE "build_packs" ADD CONSTRAINT "build_packs_build_id_builds_id_fk" FOREIGN KEY ("build_id") REFERENCES "public"."builds"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "build_packs" ADD CONSTRAINT "build_packs_pack_packs_digest_fk" FOREIGN KEY ("pack") REFERENCES "public"."packs"("digest") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "packs" ADD CONSTRAINT "packs_project_projects_name_fk" FOREIGN KEY ("project") REFERENCES "public"."projects"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "build_packs_by_pack" ON "build_packs" USING btree ("pack");--> statement-breakpoint
ALTER TABLE "builds" DROP COLUMN "info_hash";