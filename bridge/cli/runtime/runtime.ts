import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The runtimes that this program works on. */
export type RuntimeName = 'node' | 'bun' | 'deno'

/** The runtime of this process. */
export const runtime: RuntimeName = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'

/**
 * Flags that make this Node load TypeScript. Node strips types by default from 22.18 and 23.6; 22.12 to 22.17 do it with
 * a flag. Source: https://nodejs.org/api/typescript.html. Bun and Deno need none.
 */
export function typeScriptFlags(): string[] {
  const { typescript } = process.features
  if (runtime !== 'node' || typescript) return []
  return ['--experimental-strip-types', '--disable-warning=ExperimentalWarning']
}

/** The path of a module of this program, as an argument for {@link startModule}. */
export function modulePath(name: string, base: string): string {
  // The extension is that of the running program: `.ts` in the repository, `.js` in the package.
  return fileURLToPath(new URL(`${name}.${base.endsWith('.ts') ? 'ts' : 'js'}`, base))
}

/** How a module is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** `inherit` shares the terminal; `pipe` gives stdout to the caller. stderr is always shared with `inherit`. */
  readonly output: 'inherit' | 'pipe'
}

/** Runs a module on this runtime in a process of its own, with TypeScript turned on. */
export function startModule(path: string, args: readonly string[], { env, output }: StartOptions): ChildProcess {
  const flags = runtime === 'deno' ? ['run', '--allow-all'] : [...process.execArgv, ...typeScriptFlags()]
  return spawn(process.execPath, [...flags, path, ...args], {
    stdio: output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
}
