import { isError } from './kinds.ts'

/** The message of a thrown value, which may be anything. */
export function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error)
}

/** The code of a system error, such as `ENOENT`. The message of other errors. */
export function codeOrMessage(error: unknown): string {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : messageOf(error)
}
