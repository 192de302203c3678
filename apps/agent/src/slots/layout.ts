import { join } from 'node:path';
import type { Target } from '@starling/shared/version-key.ts';

// The data folder:
//   agent.lock  identity/  outbox.jsonl  keys/<project>.json  packs/<sha256>
//   projects/<project>/journal.json  ahead.json  program.json  port  run/  hook/  installed/<slot>  logs/{program,hooks}.log
//   projects/<project>/current -> slots/<slot>
//   projects/<project>/slots/<slot>/  <slot>.manifest  <slot>.partial/

/** The name of a build's slot: its id without the project, and the beginning of its manifest's digest. */
export function slotName({ build, manifestDigest }: Pick<Target, 'build' | 'manifestDigest'>): string {
  return `${build.slice(build.indexOf('@') + 1)}-${manifestDigest.slice(0, 12)}`;
}

/** Where things lie in an agent's data folder. */
export class DataLayout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }
  get outbox(): string {
    return join(this.root, 'outbox.jsonl');
  }
  get keys(): string {
    return join(this.root, 'keys');
  }
  get packs(): string {
    return join(this.root, 'packs');
  }
  get projects(): string {
    return join(this.root, 'projects');
  }
  project(name: string): ProjectLayout {
    return new ProjectLayout(join(this.projects, name));
  }
}

/** Where things lie in the folder of one project. */
export class ProjectLayout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }
  get journal(): string {
    return join(this.folder, 'journal.json');
  }
  /** Which packs are here of builds that may come. */
  get ahead(): string {
    return join(this.folder, 'ahead.json');
  }
  get current(): string {
    return join(this.folder, 'current');
  }
  get slots(): string {
    return join(this.folder, 'slots');
  }
  slot(target: Target): string {
    return join(this.slots, slotName(target));
  }
  manifest(target: Target): string {
    return `${this.slot(target)}.manifest`;
  }
}
