import type { ProjectSettings } from '@starling/shared/project-settings.ts';
import type { ReviewVerdict } from './judge.ts';

/** Looks whether a commit was reviewed as the project asks. Throws when it cannot be found out now. */
export type ReviewCommit = (commit: {
  repositoryUrl: string;
  commitSha: string;
  settings: ProjectSettings['review'];
}) => Promise<ReviewVerdict>;
