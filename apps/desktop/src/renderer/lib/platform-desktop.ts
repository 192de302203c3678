import type { Answer, DesktopBridge } from '../../ipc-contract.ts';
import type { Platform } from './platform-port.ts';

export function desktopPlatform(bridge: DesktopBridge): Platform {
  return {
    kind: 'desktop',
    followsWhenHidden: true,
    servers: {
      read: async () => resultOf(await bridge.request('profiles:read', undefined)),
      save: async (profile) => resultOf(await bridge.request('profiles:save', profile)),
      remove: async (id) => resultOf(await bridge.request('profiles:remove', { id })),
      select: async (id) => resultOf(await bridge.request('profiles:select', { id })),
    },
    copy: async (text) => {
      resultOf(await bridge.request('clipboard:write', { text }));
    },
    notify: (notice) => void bridge.request('notification:show', notice),
    setAttention: (attention) => void bridge.request('attention:set', attention),
    onUpdateReady: (tell) => {
      const stop = bridge.onNotice('update:ready', tell);
      // It may have come before anyone listened.
      void bridge
        .request('update:ready', undefined)
        .then((answer) => answer.ok && answer.result && tell(answer.result));
      return stop;
    },
    installUpdate: () => void bridge.request('update:install', undefined),
    openExternal: (url) => void bridge.request('external:open', { url }),
    onLink: (open) => {
      const stop = bridge.onNotice('link:opened', open);
      // The link that started the application came before anyone listened.
      void bridge.request('link:take', undefined).then((answer) => answer.ok && answer.result && open(answer.result));
      return stop;
    },
    onMenuCommand: (run) => bridge.onNotice('menu:command', run),
  };
}

function resultOf<Result>(answer: Answer<Result>): Result {
  if (answer.ok) return answer.result;
  throw new Error(answer.message);
}
