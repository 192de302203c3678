import { create } from 'zustand';
import { persist } from 'zustand/middleware';

export type Theme = 'system' | 'light' | 'dark';

/** The dialog on top of the page. Only one is ever open. */
export type OpenDialog =
  | { kind: 'add-project' }
  | { kind: 'build'; project: string; ref?: string | undefined; force?: boolean | undefined }
  | { kind: 'deploy'; project: string; buildId: string }
  | { kind: 'rollback'; project: string; buildId?: string | undefined }
  | { kind: 'abort'; deploymentId: number; project: string }
  | { kind: 'decide'; deploymentId: number; project: string; decision: 'approve' | 'reject' }
  | { kind: 'steer'; deploymentId: number; project: string; verb: 'pause' | 'resume' | 'promote' }
  /** `project` null: the line of all projects. */
  | { kind: 'line'; project: string | null; verb: 'stop' | 'start' }
  | { kind: 'lift-quarantine'; buildId: string }
  | { kind: 'undo-rollback'; project: string }
  | { kind: 'cancel'; jobId: number }
  | { kind: 'prioritise'; jobId: number };

interface UiState {
  theme: Theme;
  sidebar: 'wide' | 'narrow';
  /** Keys such as `b` act without a modifier; a person who dictates or slips can turn them off. */
  singleKeys: boolean;
  dialog: OpenDialog | null;
  overlay: 'palette' | 'keys' | null;
  /** The project that keys and the palette act on: the one of the page. */
  project: string | null;
  setTheme(theme: Theme): void;
  toggleSidebar(): void;
  setSingleKeys(on: boolean): void;
  open(dialog: OpenDialog): void;
  close(): void;
  setOverlay(overlay: UiState['overlay']): void;
  setProject(project: string | null): void;
}

export const useUi = create<UiState>()(
  persist(
    (set) => ({
      theme: 'system',
      sidebar: window.innerWidth < 1_100 ? 'narrow' : 'wide',
      singleKeys: true,
      dialog: null,
      overlay: null,
      project: null,
      setTheme: (theme) => set({ theme }),
      toggleSidebar: () => set((state) => ({ sidebar: state.sidebar === 'wide' ? 'narrow' : 'wide' })),
      setSingleKeys: (singleKeys) => set({ singleKeys }),
      open: (dialog) => set({ dialog, overlay: null }),
      close: () => set({ dialog: null }),
      setOverlay: (overlay) => set({ overlay }),
      setProject: (project) => set({ project }),
    }),
    {
      name: 'starling-ui',
      partialize: ({ theme, sidebar, singleKeys }) => ({ theme, sidebar, singleKeys }),
    },
  ),
);

/** Keeps `data-theme` on the document true to the choice and, for `system`, to the computer's setting. */
export function applyTheme(): void {
  const prefersDark = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const { theme } = useUi.getState();
    document.documentElement.dataset.theme = theme === 'system' ? (prefersDark.matches ? 'dark' : 'light') : theme;
  };
  apply();
  prefersDark.addEventListener('change', apply);
  useUi.subscribe(apply);
}
