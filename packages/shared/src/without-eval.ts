import { config } from 'zod';

// Import this before anything that has a schema, where a Content Security Policy forbids making code from text: zod would
// try, fall back, and leave a violation in the log of every page.
config({ jitless: true });
