CREATE TABLE "swarm_views" (
	"hub" text NOT NULL,
	"deployment" bigint NOT NULL,
	"region" text NOT NULL,
	"view" jsonb NOT NULL,
	"said_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "swarm_views_hub_deployment_pk" PRIMARY KEY("hub","deployment")
);
--> statement-breakpoint
ALTER TABLE "deployment_machines" ADD COLUMN "account" jsonb;--> statement-breakpoint
CREATE INDEX "swarm_views_by_deployment" ON "swarm_views" USING btree ("deployment");