import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  /** Installs more packages. */
  install(...packages: readonly string[]): Promise<unknown>
  /** Makes a folder inside of it, which shares its packages. */
  addFolder(name: string): Promise<ProjectFolder>
}

/** A folder of a project, with processes in it. */
export type ProjectFolder = Pick<Project, 'folder' | 'run' | 'start'>

/** Copies the folder `template` if there is one, and installs the packages. */
export async function createProject(template: string | undefined, packages: readonly string[]): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-project-'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'project', type: 'module', private: true }))
  if (template) await cp(join(import.meta.dirname, 'projects', template), folder, { recursive: true })
  const project = within(folder)
  const install = (...more: readonly string[]) =>
    project.run('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', ...more)
  await install(...packages)
  return {
    ...project,
    install,
    async addFolder(name) {
      await mkdir(join(folder, name))
      return within(join(folder, name))
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

function within(folder: string): ProjectFolder {
  return {
    folder,
    async run(command, ...args) {
      const options = { cwd: folder, timeout: 240_000, maxBuffer: 16 * 1024 * 1024 }
      try {
        return (await execute(command, args, options)).stdout
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string }
        throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error })
      }
    },
    start: (command, args, env) => spawn(command, args, { cwd: folder, env: { ...process.env, ...env } }),
  }
}
