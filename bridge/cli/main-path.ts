import { modulePath } from './runtime/runtime.ts'

/** The module that the command `spanwire` runs: a process that is started again runs it, too. */
export function mainPath(): string {
  return modulePath('./main', import.meta.url)
}
