CREATE TABLE "line_stops" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "line_stops_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"project" text,
	"reason" text NOT NULL,
	"stopped_by" text NOT NULL,
	"stopped_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_by" text,
	"started_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "quarantines" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "quarantines_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"project" text NOT NULL,
	"build_id" text NOT NULL,
	"deployment" bigint,
	"reason" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"lifted_by" text,
	"lifted_at" timestamp (3) with time zone,
	"lift_reason" text
);
--> statement-breakpoint
ALTER TABLE "builds" ADD COLUMN "rollout" jsonb;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "plan" jsonb;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "wave" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "reach" jsonb;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "wave_began_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "bake_began_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "paused_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "paused_by" text;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "pause_reason" text;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "resumed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "tolerated_failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "promoted_to" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "quarantines" ADD CONSTRAINT "quarantines_build_id_builds_id_fk" FOREIGN KEY ("build_id") REFERENCES "public"."builds"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "line_stops_holding" ON "line_stops" USING btree (coalesce("project", '*')) WHERE "line_stops"."started_at" is null;--> statement-breakpoint
CREATE INDEX "line_stops_by_start" ON "line_stops" USING btree ("project","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "quarantines_holding" ON "quarantines" USING btree ("build_id") WHERE "quarantines"."lifted_at" is null;--> statement-breakpoint
CREATE INDEX "quarantines_by_project" ON "quarantines" USING btree ("project","id");