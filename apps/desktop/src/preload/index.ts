import { contextBridge, ipcRenderer } from 'electron';
import type { DesktopBridge, NoticeChannel, RequestChannel } from '../ipc-contract.ts';

// The one thing the window gets: the channels of the contract, and nothing of Electron.

const requests: Record<RequestChannel, true> = {
  'profiles:read': true,
  'profiles:save': true,
  'profiles:remove': true,
  'profiles:select': true,
  'notification:show': true,
  'attention:set': true,
  'update:ready': true,
  'update:install': true,
  'external:open': true,
  'clipboard:write': true,
  'link:take': true,
};
const notices: Record<NoticeChannel, true> = { 'link:opened': true, 'update:ready': true, 'menu:command': true };

const bridge: DesktopBridge = {
  request: (channel, payload) => {
    if (!Object.hasOwn(requests, channel)) return Promise.reject(new Error('There is no such channel.'));
    return ipcRenderer.invoke(channel, payload);
  },
  onNotice: (channel, listener) => {
    if (!Object.hasOwn(notices, channel)) throw new Error('There is no such channel.');
    const onEvent = (_event: unknown, notice: unknown) => listener(notice as never);
    ipcRenderer.on(channel, onEvent);
    return () => ipcRenderer.off(channel, onEvent);
  },
};

contextBridge.exposeInMainWorld('starling', bridge);
