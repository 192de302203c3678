DROP INDEX "builds_by_project";--> statement-breakpoint
DROP INDEX "deployment_machines_by_step";--> statement-breakpoint
DROP INDEX "machine_projects_by_project";--> statement-breakpoint
ALTER TABLE "deployment_machines" ALTER COLUMN "machine" SET DATA TYPE text collate "C";--> statement-breakpoint
ALTER TABLE "machine_projects" ALTER COLUMN "machine" SET DATA TYPE text collate "C";--> statement-breakpoint
ALTER TABLE "machines" ALTER COLUMN "id" SET DATA TYPE text collate "C";--> statement-breakpoint
ALTER TABLE "machine_projects" ADD COLUMN "is_behind" boolean GENERATED ALWAYS AS (observed_build is distinct from desired_build) STORED;--> statement-breakpoint
CREATE INDEX "audit_log_by_project_and_actor" ON "audit_log" USING btree ("project","actor","id");--> statement-breakpoint
CREATE INDEX "audit_log_by_project_and_action" ON "audit_log" USING btree ("project","action","id");--> statement-breakpoint
CREATE INDEX "builds_by_time" ON "builds" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "deployments_by_kind" ON "deployments" USING btree ("kind","id");--> statement-breakpoint
CREATE INDEX "deployments_by_project_and_person" ON "deployments" USING btree ("project","requested_by","id");--> statement-breakpoint
CREATE INDEX "deployments_by_project_and_status" ON "deployments" USING btree ("project","status","id");--> statement-breakpoint
CREATE INDEX "deployments_by_project_and_end" ON "deployments" USING btree ("project","finished_at");--> statement-breakpoint
CREATE INDEX "machine_projects_failed" ON "machine_projects" USING btree ("machine") WHERE "machine_projects"."step" = 'FAILED';--> statement-breakpoint
CREATE INDEX "machine_projects_behind" ON "machine_projects" USING btree ("machine") WHERE "machine_projects"."is_behind";--> statement-breakpoint
CREATE INDEX "machines_by_label" ON "machines" USING gin ("labels" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "builds_by_project" ON "builds" USING btree ("project","created_at","id");--> statement-breakpoint
CREATE INDEX "deployment_machines_by_step" ON "deployment_machines" USING btree ("deployment","step","machine");--> statement-breakpoint
CREATE INDEX "machine_projects_by_project" ON "machine_projects" USING btree ("project","observed_build","machine");