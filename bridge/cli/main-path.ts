import { modulePath } from './runtime/runtime.ts'

/** The module that the command `spanwire` runs: processes that it starts run it as well. */
export function mainPath(): string {
  return modulePath('./main', import.meta.url)
}
