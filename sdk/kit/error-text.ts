import { membersOf } from './kinds.ts'

/** The message of a thrown value, which may be anything. */
export function messageOf(error: unknown): string {
  const { message } = membersOf(error)
  return typeof message === 'string' ? message : String(error)
}

/** The code of a system error, such as `ENOENT`. The message of other errors. */
export function codeOrMessage(error: unknown): string {
  const { code } = membersOf(error)
  return typeof code === 'string' ? code : messageOf(error)
}
