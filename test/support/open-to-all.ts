import type { AuthOptions } from '../../bridge/auth/authenticate.ts'

const everything = { allow: ['>'], deny: [] }

/** Whoever comes may do everything. */
export const openToAll: AuthOptions = { anonymous: { publish: everything, subscribe: everything } }
