CREATE TABLE "commits" (
	"project" text NOT NULL,
	"sha" text NOT NULL,
	"parents" text[] NOT NULL,
	"author" text NOT NULL,
	"subject" text NOT NULL,
	"committed_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "commits_project_sha_pk" PRIMARY KEY("project","sha")
);
--> statement-breakpoint
ALTER TABLE "commits" ADD CONSTRAINT "commits_project_projects_name_fk" FOREIGN KEY ("project") REFERENCES "public"."projects"("name") ON DELETE no action ON UPDATE no action;