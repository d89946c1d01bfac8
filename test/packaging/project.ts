import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** A new project outside of this repository. */
export interface Project extends AsyncDisposable {
  readonly folder: string
  /** Runs a command in it. Rejects with the output if the command fails or takes more than four minutes. */
  run(command: string, ...args: string[]): Promise<string>
  /** Starts a process in it. */
  start(command: string, args: string[], env: Record<string, string>): ChildProcess
}

/** Copies the folder `template` if there is one, and installs the packages. */
export async function createProject(template: string | undefined, packages: readonly string[]): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-project-'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'project', type: 'module', private: true }))
  if (template) await cp(join(import.meta.dirname, 'projects', template), folder, { recursive: true })
  const run = async (command: string, ...args: string[]) => {
    const options = { cwd: folder, timeout: 240_000, maxBuffer: 16 * 1024 * 1024 }
    try {
      return (await execute(command, args, options)).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error })
    }
  }
  await run('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', ...packages)
  return {
    folder,
    run,
    start: (command, args, env) => spawn(command, args, { cwd: folder, env: { ...process.env, ...env } }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
