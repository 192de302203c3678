import type { Platform } from './platform-port.ts';

export function webPlatform(): Platform {
  return {
    kind: 'web',
    followsWhenHidden: false,
    servers: null,
    copy: async (text) => {
      // Only a secure context has the clipboard API; a plain http address in a company network has not.
      if (navigator.clipboard) return navigator.clipboard.writeText(text);
      const area = document.createElement('textarea');
      area.value = text;
      area.style.position = 'fixed';
      area.style.opacity = '0';
      document.body.append(area);
      area.select();
      const copied = document.execCommand('copy');
      area.remove();
      if (!copied) throw new Error('The browser did not allow copying.');
    },
    notify: ({ title, body }) => {
      if ('Notification' in window && Notification.permission === 'granted') new Notification(title, { body });
    },
    // A page is as new as its server, and has no place beside the clock.
    setAttention: () => {},
    onUpdateReady: () => () => {},
    installUpdate: () => {},
    openExternal: (url) => {
      window.open(url, '_blank', 'noopener,noreferrer');
    },
    onLink: () => () => {},
    onMenuCommand: () => () => {},
  };
}
