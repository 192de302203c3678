import { expect, it } from 'vitest';
import { nameFromRepository } from './repository-name.ts';

it.each([
  ['https://git.example.org/team/Hello-Service.git', 'hello-service'],
  ['git@git.example.org:team/api_gateway.git', 'api-gateway'],
  ['/srv/repositories/3scale/', 'scale'],
  ['', ''],
])('%s suggests %s', (url, name) => expect(nameFromRepository(url)).toBe(name));
