import { execFile } from 'node:child_process'
import { cp, glob, mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** One instruction, such as `RUN`, with the rest of its line. Continued lines are joined. */
export interface Instruction {
  readonly name: string
  readonly rest: string
}

/** Reads the instructions of a Dockerfile, without comments. */
export function readDockerfile(text: string): Instruction[] {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...rest] = line.split(' ')
      return { name, rest: rest.join(' ') }
    })
}

/** Carries out the instructions of a Dockerfile in folders: one for each stage. */
export class Image {
  readonly env: Record<string, string> = {}
  workdir = ''
  user = 'root'
  port = ''
  command = ''
  healthcheck = ''
  stopSignal: NodeJS.Signals = 'SIGKILL'
  readonly #stages = new Map<string, string>()
  #stage = ''

  readonly #context: string
  readonly #folder: string

  /** @param context the folder in which the user builds the image */
  constructor(context: string, folder: string) {
    this.#context = context
    this.#folder = folder
  }

  async build(instructions: readonly Instruction[]): Promise<this> {
    for (const { name, rest } of instructions) await this.#step(name, rest)
    return this
  }

  async #step(name: string, rest: string): Promise<void> {
    switch (name) {
      case 'FROM': {
        const [, image = '', stage = 'last'] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? []
        if (!/^node:\d+-alpine$/.test(image)) throw new Error(`This test does not know the image ${image}.`)
        this.#stage = join(this.#folder, stage)
        this.#stages.set(stage, this.#stage)
        return
      }
      case 'WORKDIR':
        this.workdir = join(this.#stage, rest)
        return void (await mkdir(this.workdir, { recursive: true }))
      case 'ENV':
        for (const pair of rest.split(' ')) {
          const [key = '', value = ''] = pair.split('=')
          this.env[key] = value
        }
        return
      case 'COPY':
        return this.#copy(rest)
      case 'RUN':
        return void (await run('sh', ['-c', `${rest} --prefer-offline`], { cwd: this.workdir }))
      case 'USER':
        this.user = rest
        return
      case 'EXPOSE':
        this.port = rest
        return
      case 'HEALTHCHECK':
        this.healthcheck = rest.split('CMD ')[1] ?? ''
        return
      case 'STOPSIGNAL':
        this.stopSignal = rest as NodeJS.Signals
        return
      case 'CMD':
        this.command = (JSON.parse(rest) as string[]).join(' ')
        return
      default:
        throw new Error(`This test does not know the instruction ${name}.`)
    }
  }

  /** Wildcards may match nothing. */
  async #copy(rest: string): Promise<void> {
    const [, stage, paths = ''] = /^(?:--from=(\S+) )?(.+)$/.exec(rest) ?? []
    const from = stage === undefined ? this.#context : (this.#stages.get(stage) ?? '')
    const names = paths.split(' ')
    const to = names.pop() ?? ''
    for (const pattern of names.map((name) => name.replace(/^\//, ''))) {
      const found: string[] = []
      for await (const name of glob(pattern, { cwd: from })) found.push(name)
      if (!pattern.includes('*') && found.length === 0) throw new Error(`COPY does not find ${pattern}.`)
      for (const name of found) {
        const target = to.endsWith('/') ? join(this.workdir, to, basename(name)) : join(this.workdir, to)
        await cp(join(from, name), target, { recursive: true, verbatimSymlinks: true })
      }
    }
  }
}
