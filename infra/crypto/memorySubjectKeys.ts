import type { SubjectKeyStore } from '../../services/accounts/ports.ts';

/** Subject keys that live as long as the process. */
export function memorySubjectKeys(): SubjectKeyStore {
  const keys = new Map<string, Buffer>();
  return {
    obtain(subjectId, wrapped) {
      const stored = keys.get(subjectId) ?? wrapped;
      keys.set(subjectId, stored);
      return Promise.resolve(stored);
    },
    find: (subjectId) => Promise.resolve(keys.get(subjectId) ?? null),
    destroy: (subjectId) => Promise.resolve(keys.delete(subjectId)),
  };
}
