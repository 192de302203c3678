import { describe, expect, it } from 'vitest';
import { parseEtcdUrl } from './etcd-url.ts';

describe('the address of an etcd cluster', () => {
  it.each([
    ['etcd://a:2379', ['http://a:2379']],
    ['etcd://a,b:12379/', ['http://a:2379', 'http://b:12379']],
    ['etcds://a.example.org:2379,10.0.0.2:2379', ['https://a.example.org:2379', 'https://10.0.0.2:2379']],
    ['etcd://[::1]:2379,[fe80::2]', ['http://[::1]:2379', 'http://[fe80::2]:2379']],
  ])('%s names its endpoints', (text, endpoints) => {
    expect(parseEtcdUrl(text)).toEqual(endpoints);
  });

  it.each([
    'http://a:2379',
    'etcd://',
    'etcd://a,,b',
    'etcd://a:2379,',
    'etcd://user:secret@a:2379',
    'etcd://a:2379/prefix',
    'etcd://a:99999',
    'etcd://a b',
    'a:2379',
  ])('%s is refused', (text) => {
    expect(parseEtcdUrl(text)).toBeUndefined();
  });
});
