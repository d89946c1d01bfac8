import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { root } from '../build/source-files.ts'

/** A running copy of the program that the demo page shows. */
export interface Program extends AsyncDisposable {
  /** Everything that it has written so far. */
  output(): string
}

/** Runs `code` in Node without a change. `spanwire` is this repository, as an installed package would be. */
export async function runProgram(code: string): Promise<Program> {
  // Inside the repository, so that other packages are resolved.
  await mkdir(join(root, '.cache'), { recursive: true })
  const folder = await mkdtemp(join(root, '.cache/program-'))
  const outfile = join(folder, 'flights.mjs')
  await build({
    stdin: { contents: code, resolveDir: root, loader: 'js' },
    alias: { spanwire: join(root, 'sdk/server.ts') },
    external: ['zod', 'nats', 'nats.ws', 'ws', '@nats-io/*'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
  })
  let output = ''
  const child = spawn(process.execPath, [outfile], { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return {
    output: () => output,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        await ended
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
