import type { AuthOptions } from '../../bridge/auth/authenticate.ts'

const everything = { allow: ['>'], deny: [] }

/** Permits everything to every client. */
export const openToAll: AuthOptions = { anonymous: { publish: everything, subscribe: everything } }
