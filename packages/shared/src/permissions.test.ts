import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allows, narrowed, permissions, projectsWith } from './permissions.ts';
import { roles } from './words.ts';

const role = fc.constantFrom(...roles);
const grant = fc.record({ project: fc.constantFrom('*', 'shop', 'books'), role });

describe('permissions', () => {
  it('hold in the project of the grant and nowhere else', () => {
    const grants = [{ project: 'shop', role: 'deployer' }] as const;
    expect(allows(grants, 'deploy', 'shop')).toBe(true);
    expect(allows(grants, 'approve', 'shop')).toBe(false);
    expect(allows(grants, 'view', 'books')).toBe(false);
    expect(allows(grants, 'view', '*')).toBe(false);
    expect(projectsWith(grants, 'view')).toEqual(['shop']);
    expect(projectsWith([...grants, { project: '*', role: 'viewer' }], 'view')).toBe('*');
  });

  it('of a narrowed role are those that both roles have', () => {
    fc.assert(
      fc.property(role, role, fc.constantFrom(...permissions), (own, most, permission) => {
        const has = (one: (typeof roles)[number]) => allows([{ project: '*', role: one }], permission, '*');
        expect(has(narrowed(own, most))).toBe(has(own) && has(most));
      }),
    );
  });

  it('in a list of projects agree with those in each project', () => {
    fc.assert(
      fc.property(fc.array(grant), fc.constantFrom(...permissions), (grants, permission) => {
        const where = projectsWith(grants, permission);
        for (const project of ['shop', 'books', 'other'])
          expect(where === '*' || where.includes(project)).toBe(allows(grants, permission, project));
      }),
    );
  });
});
