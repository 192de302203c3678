import type { ReviewCommit } from '../gates/ports.ts';
import { reviewOnGitHub } from './github.ts';
import { reviewOnGitLab } from './gitlab.ts';
import { isOnProtectedBranch } from './protected-branch.ts';
import { type Provider, RateLimited } from './provider.ts';

export interface ReviewSources {
  github: Provider | undefined;
  gitlab: Provider | undefined;
  /** Keeps the history of repositories. */
  folder: string;
}

/** Looks whether a commit was reviewed, where the project's settings say. */
export function reviewCommit(sources: ReviewSources): ReviewCommit {
  return async ({ repositoryUrl, commitSha, settings }) => {
    if (settings.require === 'protected-branch') {
      return isOnProtectedBranch({ repositoryUrl, commitSha, patterns: settings.protectedBranches }, sources.folder);
    }
    const { provider: name, repository } = settings;
    if (name === null || repository === null) {
      return { state: 'waiting', detail: 'the settings name no provider or no repository to ask about reviews' };
    }
    const provider = sources[name];
    if (!provider) {
      return {
        state: 'waiting',
        detail: `this Starling has no token for ${name}: set STARLING_${name.toUpperCase()}_TOKEN_FILE`,
      };
    }
    try {
      return await (name === 'github' ? reviewOnGitHub : reviewOnGitLab)(provider, repository, commitSha);
    } catch (thrown) {
      if (thrown instanceof RateLimited) return { state: 'waiting', detail: thrown.message };
      throw thrown;
    }
  };
}
