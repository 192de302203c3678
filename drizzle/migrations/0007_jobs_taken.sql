CREATE TABLE "jobs_taken" (
	"job_id" bigint NOT NULL,
	"project" text NOT NULL
);--> statement-breakpoint
INSERT INTO "jobs_taken" ("job_id", "project") SELECT "job_id", "project" FROM "jobs_running";--> statement-breakpoint
DROP TABLE "jobs_running";--> statement-breakpoint
ALTER TABLE "jobs_taken" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);--> statement-breakpoint
DROP INDEX "projects_limited";--> statement-breakpoint
ALTER TABLE "projects" ADD COLUMN "max_builds" integer GENERATED ALWAYS AS ((settings #>> '{builds,maxConcurrent}')::integer) STORED;--> statement-breakpoint
CREATE INDEX "projects_limited" ON "projects" USING btree ("name") WHERE "projects"."max_builds" is not null;
