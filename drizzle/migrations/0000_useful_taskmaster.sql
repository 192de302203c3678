CREATE TABLE "builds" (
	"id" text PRIMARY KEY NOT NULL,
	"project" text NOT NULL,
	"commit_sha" text NOT NULL,
	"job_id" bigint NOT NULL,
	"commit_author" text NOT NULL,
	"commit_subject" text NOT NULL,
	"committed_at" timestamp (3) with time zone NOT NULL,
	"manifest_digest" text NOT NULL,
	"manifest_bytes" bigint NOT NULL,
	"pack_digest" text NOT NULL,
	"pack_bytes" bigint NOT NULL,
	"info_hash" text NOT NULL,
	"file_count" integer NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "builds_job_id_unique" UNIQUE("job_id")
);
--> statement-breakpoint
CREATE TABLE "replicas" (
	"build_id" text NOT NULL,
	"region" text NOT NULL,
	"status" text DEFAULT 'PENDING' NOT NULL,
	"bytes_done" bigint DEFAULT 0 NOT NULL,
	"bytes_total" bigint NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"failure_reason" text,
	"next_attempt_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "replicas_build_id_region_pk" PRIMARY KEY("build_id","region")
);
--> statement-breakpoint
CREATE TABLE "deployments" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "deployments_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"project" text NOT NULL,
	"build_id" text NOT NULL,
	"kind" text NOT NULL,
	"previous_build_id" text,
	"requested_by" text NOT NULL,
	"reason" text NOT NULL,
	"status" text DEFAULT 'RUNNING' NOT NULL,
	"outcome" text,
	"salt" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "version_keys" (
	"project" text NOT NULL,
	"region" text NOT NULL,
	"sequence" integer NOT NULL,
	"document" jsonb NOT NULL,
	"written_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "version_keys_project_region_pk" PRIMARY KEY("project","region")
);
--> statement-breakpoint
CREATE TABLE "deployment_machines" (
	"deployment" bigint NOT NULL,
	"machine" text NOT NULL,
	"step" text NOT NULL,
	"detail" text NOT NULL,
	"bytes_done" bigint DEFAULT 0 NOT NULL,
	"bytes_total" bigint DEFAULT 0 NOT NULL,
	"bytes_per_second" bigint DEFAULT 0 NOT NULL,
	"sequence" bigint NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "deployment_machines_deployment_machine_pk" PRIMARY KEY("deployment","machine")
);
--> statement-breakpoint
CREATE TABLE "machine_projects" (
	"machine" text NOT NULL,
	"project" text NOT NULL,
	"step" text NOT NULL,
	"observed_build" text,
	"desired_build" text,
	"deployment" bigint,
	"detail" text NOT NULL,
	"sequence" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "machine_projects_machine_project_pk" PRIMARY KEY("machine","project")
);
--> statement-breakpoint
CREATE TABLE "machines" (
	"id" text PRIMARY KEY NOT NULL,
	"region" text NOT NULL,
	"labels" jsonb NOT NULL,
	"agent_version" text NOT NULL,
	"address" text NOT NULL,
	"hub" text NOT NULL,
	"connected" boolean NOT NULL,
	"first_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "job_log_pieces" (
	"job_id" bigint NOT NULL,
	"attempt" integer NOT NULL,
	"sequence" integer NOT NULL,
	"text" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "job_log_pieces_job_id_attempt_sequence_pk" PRIMARY KEY("job_id","attempt","sequence")
);
--> statement-breakpoint
CREATE TABLE "job_stage_times" (
	"job_id" bigint NOT NULL,
	"attempt" integer NOT NULL,
	"stage" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "job_stage_times_job_id_attempt_stage_pk" PRIMARY KEY("job_id","attempt","stage")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "jobs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"project" text NOT NULL,
	"commit_sha" text NOT NULL,
	"requested_ref" text NOT NULL,
	"requested_by" text NOT NULL,
	"repository_url" text NOT NULL,
	"binary_name" text NOT NULL,
	"status" text DEFAULT 'QUEUED' NOT NULL,
	"stage" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer NOT NULL,
	"deadline_ms" integer NOT NULL,
	"worker" text,
	"failure_reason" text,
	"build_id" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"last_heartbeat_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "api_tokens" (
	"name" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"token_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_tokens_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"name" text PRIMARY KEY NOT NULL,
	"repository_url" text NOT NULL,
	"default_ref" text NOT NULL,
	"binary_name" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "regions" (
	"name" text PRIMARY KEY NOT NULL,
	"position" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "builds" ADD CONSTRAINT "builds_project_projects_name_fk" FOREIGN KEY ("project") REFERENCES "public"."projects"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "builds" ADD CONSTRAINT "builds_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "replicas" ADD CONSTRAINT "replicas_build_id_builds_id_fk" FOREIGN KEY ("build_id") REFERENCES "public"."builds"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "replicas" ADD CONSTRAINT "replicas_region_regions_name_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_project_projects_name_fk" FOREIGN KEY ("project") REFERENCES "public"."projects"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_build_id_builds_id_fk" FOREIGN KEY ("build_id") REFERENCES "public"."builds"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_previous_build_id_builds_id_fk" FOREIGN KEY ("previous_build_id") REFERENCES "public"."builds"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "machine_projects" ADD CONSTRAINT "machine_projects_machine_machines_id_fk" FOREIGN KEY ("machine") REFERENCES "public"."machines"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "machines" ADD CONSTRAINT "machines_region_regions_name_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_log_pieces" ADD CONSTRAINT "job_log_pieces_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_stage_times" ADD CONSTRAINT "job_stage_times_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_project_projects_name_fk" FOREIGN KEY ("project") REFERENCES "public"."projects"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "builds_by_project" ON "builds" USING btree ("project","created_at" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "builds_by_commit" ON "builds" USING btree ("commit_sha");--> statement-breakpoint
CREATE INDEX "replicas_unfinished" ON "replicas" USING btree ("status","next_attempt_at");--> statement-breakpoint
CREATE UNIQUE INDEX "deployments_one_running" ON "deployments" USING btree ("project") WHERE "deployments"."status" = 'RUNNING';--> statement-breakpoint
CREATE INDEX "deployments_by_project" ON "deployments" USING btree ("project","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "version_keys_by_region" ON "version_keys" USING btree ("region");--> statement-breakpoint
CREATE INDEX "deployment_machines_by_step" ON "deployment_machines" USING btree ("deployment","step");--> statement-breakpoint
CREATE INDEX "machine_projects_by_project" ON "machine_projects" USING btree ("project","observed_build");--> statement-breakpoint
CREATE INDEX "machines_by_region" ON "machines" USING btree ("region","id");--> statement-breakpoint
CREATE INDEX "jobs_queue" ON "jobs" USING btree ("id") WHERE "jobs"."status" = 'QUEUED';--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("last_heartbeat_at") WHERE "jobs"."status" = 'RUNNING';--> statement-breakpoint
CREATE INDEX "jobs_by_project" ON "jobs" USING btree ("project","id" DESC NULLS LAST);