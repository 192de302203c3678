CREATE TABLE "measurements" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "measurements_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"deployment" bigint NOT NULL,
	"wave" integer NOT NULL,
	"stage" text NOT NULL,
	"check" text NOT NULL,
	"began_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"verdict" text,
	"detail" text DEFAULT '' NOT NULL,
	"task" bigint
);
--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "checks_began_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "measurements" ADD CONSTRAINT "measurements_deployment_deployments_id_fk" FOREIGN KEY ("deployment") REFERENCES "public"."deployments"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "measurements_by_deployment" ON "measurements" USING btree ("deployment","id");--> statement-breakpoint
CREATE INDEX "measurements_open" ON "measurements" USING btree ("id") WHERE "measurements"."verdict" is null;