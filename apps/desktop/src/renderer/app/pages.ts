import { allows, allProjects, projectsWith } from '@starling/shared/permissions.ts';
import {
  ChartColumn,
  Globe,
  Hammer,
  Inbox,
  LayoutGrid,
  type LucideIcon,
  Rocket,
  ScrollText,
  Server,
  Settings,
  Stethoscope,
  Wrench,
} from 'lucide-react';
import type { Outputs } from '../lib/api.ts';

type Grants = Outputs['session']['whoAmI']['grants'];

const administersAll = (grants: Grants) => allows(grants, 'administer', allProjects);
const administersSome = (grants: Grants) => projectsWith(grants, 'administer').length > 0;

/** The pages that have an entry of their own, in the order of the sidebar. `key` follows `g`. */
export const mainPages = [
  { to: '/', text: 'Overview', icon: LayoutGrid, key: 'o' },
  { to: '/builds', text: 'Builds', icon: Hammer, key: 'b' },
  { to: '/deployments', text: 'Deployments', icon: Rocket, key: 'd' },
  { to: '/machines', text: 'Machines', icon: Server, key: 'm' },
  { to: '/approvals', text: 'Approvals', icon: Inbox, key: 'a' },
  { to: '/history', text: 'History', icon: ChartColumn, key: 'h' },
] as const satisfies readonly PageEntry[];

/** What stands below the projects. */
export const systemPages = [
  { to: '/workers', text: 'Workers and queue', icon: Wrench, key: 'w' },
  { to: '/regions', text: 'Regions', icon: Globe, key: 'r' },
  { to: '/audit', text: 'Audit', icon: ScrollText, key: 'u', isFor: administersSome },
  { to: '/doctor', text: 'Doctor', icon: Stethoscope, key: 'c', isFor: administersAll },
  { to: '/settings', text: 'Settings', icon: Settings, key: 's' },
] as const satisfies readonly PageEntry[];

interface PageEntry {
  to: string;
  text: string;
  icon: LucideIcon;
  key: string;
  /** Who can make something of it; everybody when left out. */
  isFor?: (grants: Grants) => boolean;
}

/** The pages that somebody with these grants can make something of. */
export function pagesFor<Entry extends PageEntry>(entries: readonly Entry[], grants: Grants | undefined): Entry[] {
  return entries.filter((entry) => !entry.isFor || (grants !== undefined && entry.isFor(grants)));
}
