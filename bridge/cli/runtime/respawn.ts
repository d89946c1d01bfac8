import process from 'node:process'
import { startModule, typeScriptFlags } from './runtime.ts'

/**
 * Whether the arguments name TypeScript that this process can't load: Node 22.12 to 22.17 without its flag.
 * @param hasConfig whether there is a `spanwire.config.ts` in this folder
 */
export function needsTypeScript(args: readonly string[], hasConfig: boolean): boolean {
  return typeScriptFlags().length > 0 && (hasConfig || args.some((arg) => /\.[cm]?ts(#|$)/.test(arg)))
}

/** Runs this program again with TypeScript turned on, and resolves with its exit code. */
export function respawn(path: string, args: readonly string[]): Promise<number> {
  const child = startModule(path, args, { output: 'inherit' })
  const forward = (signal: NodeJS.Signals) => void child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
