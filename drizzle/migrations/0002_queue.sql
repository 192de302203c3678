ALTER TABLE "jobs" DROP CONSTRAINT "jobs_idempotency_key_unique";--> statement-breakpoint
DROP INDEX "jobs_running";--> statement-breakpoint
DROP INDEX "jobs_by_status";--> statement-breakpoint
DROP INDEX "jobs_by_end";--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_by_key" ON "jobs" USING btree ("idempotency_key") WHERE "jobs"."idempotency_key" is not null;--> statement-breakpoint
CREATE INDEX "projects_limited" ON "projects" USING btree ("name") WHERE ("projects"."settings" #>> '{builds,maxConcurrent}') is not null;--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("project","id") WHERE "jobs"."status" = 'RUNNING';--> statement-breakpoint
CREATE INDEX "jobs_by_status" ON "jobs" USING btree ("status","id") WHERE "jobs"."status" in ('FAILED', 'CANCELLED');--> statement-breakpoint
CREATE INDEX "jobs_by_end" ON "jobs" USING btree ("finished_at") WHERE "jobs"."finished_at" is not null;--> statement-breakpoint
-- Queues jobs, each unless the commit is built or on its way, or its idempotency key is known. The locks come first, in
-- order, and each statement of a function sees what was committed before it began: so of two calls at once for the same
-- commit the second finds the job of the first. Locks are shared out over 256 buckets, so that a call needs few.
CREATE FUNCTION "enqueue_jobs"("asked" jsonb)
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
    RETURNING "id", "project", "commit_sha"
  )
  SELECT "added"."id", "added"."project", "added"."commit_sha", true FROM "added"
  UNION ALL
  SELECT k."id", k."project", k."commit_sha", false FROM "known" k WHERE k."id" IS NOT NULL;
END $$;
