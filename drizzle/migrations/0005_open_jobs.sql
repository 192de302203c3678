DROP INDEX "jobs_queue";--> statement-breakpoint
DROP INDEX "jobs_running";--> statement-breakpoint
DROP INDEX "jobs_by_status";--> statement-breakpoint
DROP INDEX "jobs_by_end";--> statement-breakpoint
CREATE TABLE "jobs_running" (
	"job_id" bigint PRIMARY KEY NOT NULL,
	"project" text NOT NULL
);--> statement-breakpoint
CREATE TABLE "jobs_waiting" (
	"job_id" bigint NOT NULL,
	"project" text NOT NULL,
	"priority" integer NOT NULL,
	"worker_labels" jsonb NOT NULL
);--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_waiting_order" ON "jobs_waiting" USING btree ("priority" DESC NULLS FIRST,"job_id");--> statement-breakpoint
CREATE INDEX "jobs_with_reason" ON "jobs" USING btree ("id") WHERE "jobs"."failure_reason" is not null;--> statement-breakpoint
CREATE INDEX "jobs_with_reason_by_project" ON "jobs" USING btree ("project","id") WHERE "jobs"."failure_reason" is not null;--> statement-breakpoint
CREATE INDEX "jobs_by_end" ON "jobs" USING brin ("finished_at") WITH (pages_per_range=16);--> statement-breakpoint
INSERT INTO "jobs_waiting" ("job_id", "project", "priority", "worker_labels")
SELECT "id", "project", "priority", "worker_labels" FROM "jobs" WHERE "status" = 'QUEUED';--> statement-breakpoint
INSERT INTO "jobs_running" ("job_id", "project") SELECT "id", "project" FROM "jobs" WHERE "status" = 'RUNNING';--> statement-breakpoint
-- Room in each page for the versions that a job goes through, so that none of them needs an index entry.
ALTER TABLE "jobs" SET (fillfactor = 45);--> statement-breakpoint
-- Their rows come and go all day: cleaned by how many went, not by a share of the table.
ALTER TABLE "jobs_waiting" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);--> statement-breakpoint
ALTER TABLE "jobs_running" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);--> statement-breakpoint
-- Queues jobs, each unless the commit is built or on its way, or its idempotency key is known. The locks come first, in
-- order, and each statement of a function sees what was committed before it began: so of two calls at once for the same
-- commit the second finds the job of the first. Locks are shared out over 256 buckets, so that a call needs few.
CREATE OR REPLACE FUNCTION "enqueue_jobs"("asked" jsonb)
  RETURNS TABLE ("id" bigint, "project" text, "commit_sha" text, "created" boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(7227102, "bucket") FROM (
    SELECT DISTINCT hashtext(x."name") & 255 AS "bucket"
    FROM jsonb_to_recordset("asked") AS a ("project" text, "commit_sha" text, "idempotency_key" text, "force" boolean),
      LATERAL (VALUES (a."idempotency_key"), (CASE WHEN NOT a."force" THEN a."project" || ' ' || a."commit_sha" END)) AS x ("name")
    WHERE x."name" IS NOT NULL
    ORDER BY 1 OFFSET 0) AS "buckets";
  RETURN QUERY
  WITH "known" AS MATERIALIZED (
    SELECT a.*, coalesce(
      CASE WHEN a."idempotency_key" IS NOT NULL THEN
        (SELECT j."id" FROM "jobs" j WHERE j."idempotency_key" = a."idempotency_key") END,
      -- By the commit alone, and the rest looked at row by row: a project has many more jobs than a commit.
      CASE WHEN NOT a."force" THEN
        (SELECT max(j."id" + 0) FROM "jobs" j LEFT JOIN "builds" b ON b."id" = j."build_id"
          WHERE j."commit_sha" = a."commit_sha" AND j."project" || '' = a."project"
            AND j."status" || '' IN ('QUEUED', 'RUNNING', 'SUCCEEDED') AND b."expired_at" IS NULL) END) AS "id"
    FROM jsonb_to_recordset("asked") AS a ("project" text, "commit_sha" text, "requested_ref" text, "requested_by" text,
      "priority" integer, "idempotency_key" text, "worker_labels" jsonb, "retry_of" bigint, "repository_url" text,
      "binary_name" text, "max_attempts" integer, "deadline_ms" integer, "force" boolean)
  ), "added" AS (
    INSERT INTO "jobs" ("project", "commit_sha", "requested_ref", "requested_by", "priority", "idempotency_key",
      "worker_labels", "retry_of", "repository_url", "binary_name", "max_attempts", "deadline_ms")
    SELECT k."project", k."commit_sha", k."requested_ref", k."requested_by", k."priority", k."idempotency_key",
      k."worker_labels", k."retry_of", k."repository_url", k."binary_name", k."max_attempts", k."deadline_ms"
    FROM "known" k WHERE k."id" IS NULL
    RETURNING "id", "project", "commit_sha", "priority", "worker_labels"
  ), "waiting" AS (
    INSERT INTO "jobs_waiting" ("job_id", "project", "priority", "worker_labels")
    SELECT "id", "project", "priority", "worker_labels" FROM "added"
  )
  SELECT "added"."id", "added"."project", "added"."commit_sha", true FROM "added"
  UNION ALL
  SELECT k."id", k."project", k."commit_sha", false FROM "known" k WHERE k."id" IS NOT NULL;
END $$;
