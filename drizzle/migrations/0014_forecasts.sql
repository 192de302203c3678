ALTER TABLE "deployments" ADD COLUMN "forecast" jsonb;--> statement-breakpoint
ALTER TABLE "deployments" ADD COLUMN "measured" jsonb;