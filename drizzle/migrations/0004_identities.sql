CREATE TABLE "revoked_agents" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "revoked_agents_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"machine" text NOT NULL,
	"region" text NOT NULL,
	"key_hash" text NOT NULL,
	"revoked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "revoked_agents_key_hash_unique" UNIQUE("key_hash")
);
--> statement-breakpoint
CREATE INDEX "revoked_agents_by_region" ON "revoked_agents" USING btree ("region","id");--> statement-breakpoint
CREATE INDEX "identities_by_region" ON "identities" USING btree ("region","kind","name");--> statement-breakpoint
-- Credentials that were set by configuration: each process enrols with one of its own from now on.
delete from "identities" where "enrolled_with" is null;
