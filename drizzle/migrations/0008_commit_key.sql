ALTER TABLE "jobs" ADD COLUMN "commit_key" text;--> statement-breakpoint
-- The newest job of each commit that has not ended badly and whose build is there has it.
UPDATE "jobs" SET "commit_key" = "project" || ' ' || "commit_sha" WHERE "id" IN (
  SELECT max(j."id") FROM "jobs" j LEFT JOIN "builds" b ON b."id" = j."build_id"
  WHERE j."status" IN ('QUEUED', 'RUNNING', 'SUCCEEDED') AND b."expired_at" IS NULL
  GROUP BY j."project", j."commit_sha");--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_by_commit_key" ON "jobs" USING btree ("commit_key") WHERE "jobs"."commit_key" is not null;--> statement-breakpoint
-- Queues jobs, each unless a job has its commit or its idempotency key; then that one is answered. Both are unique keys: of
-- two calls at once the second waits for the first to commit, leaves its job out, and finds the other with its next
-- statement. It looks again when that one ended badly in between. A forced job comes alone: it takes the commit from the job
-- that has it.
CREATE OR REPLACE FUNCTION "enqueue_jobs"("asked" jsonb)
  RETURNS TABLE ("id" bigint, "project" text, "commit_sha" text, "created" boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  "wanted" integer := jsonb_array_length("asked");
  "found" integer;
BEGIN
  FOR "look" IN 1..5 LOOP
    IF "wanted" = 1 AND ("asked" #>> '{0,force}')::boolean THEN
      UPDATE "jobs" SET "commit_key" = NULL
      WHERE "commit_key" = ("asked" #>> '{0,project}') || ' ' || ("asked" #>> '{0,commit_sha}')
        AND NOT EXISTS (SELECT FROM "jobs" k WHERE k."idempotency_key" = "asked" #>> '{0,idempotency_key}');
    END IF;
    RETURN QUERY
    WITH "added" AS (
      INSERT INTO "jobs" ("project", "commit_sha", "commit_key", "requested_ref", "requested_by", "priority",
        "idempotency_key", "worker_labels", "retry_of", "repository_url", "binary_name", "max_attempts", "deadline_ms")
      SELECT a."project", a."commit_sha", a."project" || ' ' || a."commit_sha", a."requested_ref", a."requested_by",
        a."priority", a."idempotency_key", a."worker_labels", a."retry_of", a."repository_url", a."binary_name",
        a."max_attempts", a."deadline_ms"
      FROM jsonb_to_recordset("asked") AS a ("project" text, "commit_sha" text, "requested_ref" text, "requested_by" text,
        "priority" integer, "idempotency_key" text, "worker_labels" jsonb, "retry_of" bigint, "repository_url" text,
        "binary_name" text, "max_attempts" integer, "deadline_ms" integer)
      ON CONFLICT DO NOTHING
      RETURNING "id", "project", "commit_sha", "priority", "worker_labels"
    ), "waiting" AS (
      INSERT INTO "jobs_waiting" ("job_id", "project", "priority", "worker_labels")
      SELECT "id", "project", "priority", "worker_labels" FROM "added"
    )
    SELECT "added"."id", "added"."project", "added"."commit_sha", true FROM "added";
    GET DIAGNOSTICS "found" = ROW_COUNT;
    EXIT WHEN "found" = "wanted";
    RETURN QUERY
    SELECT j."id", a."project", a."commit_sha", false
    FROM jsonb_to_recordset("asked") AS a ("project" text, "commit_sha" text, "idempotency_key" text, "force" boolean),
      LATERAL (SELECT coalesce(
        (SELECT k."id" FROM "jobs" k WHERE k."idempotency_key" = a."idempotency_key"),
        CASE WHEN NOT a."force" THEN
          (SELECT k."id" FROM "jobs" k WHERE k."commit_key" = a."project" || ' ' || a."commit_sha") END) AS "id") AS j
    WHERE j."id" IS NOT NULL;
    GET DIAGNOSTICS "found" = ROW_COUNT;
    EXIT WHEN "found" = "wanted";
  END LOOP;
END $$;
