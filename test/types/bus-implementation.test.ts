import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))
const tsc = join(here, '../../node_modules/typescript/bin/tsc')
const IMPLEMENTATION = join(here, '../../sdk/bus/event-bus.ts')

/** A change to the implementation of the bus that breaks its interface. */
interface Mutation {
  readonly name: string
  readonly from: string
  readonly to: string
}

const members = ['publish', 'subscribe', 'on', 'latest', 'respond']
const onUse = ['request', 'presence', 'publishAll', 'forget', 'cancelSchedule']
const mutations: readonly Mutation[] = [
  ...members.map((member) => ({
    name: `renames ${member}`,
    from: `${member}(name, ...args) {`,
    to: 'renamed(name, ...args) {',
  })),
  ...onUse.map((member) => ({ name: `renames ${member}`, from: `    ${member}: onUse(`, to: '    renamed: onUse(' })),
  { name: 'swaps two methods that are loaded on use', from: 'module.forget)', to: 'module.publishAll)' },
  { name: 'renames flush', from: 'async flush()', to: 'async renamed()' },
  { name: 'renames drain', from: 'async drain()', to: 'async renamed()' },
  { name: 'renames status', from: '    status: ', to: '    renamed: ' },
  { name: 'renames close', from: '    close,', to: '    renamed: close,' },
  ...[
    ['publish', 'async publish(name, ...args)', 'async publish(...[args, name]: [unknown[], string])'],
    ['on', '    on(name, ...args)', '    on(...[args, name]: [[() => void], string])'],
  ].map(([member = '', from = '', to = '']) => ({ name: `swaps the parameters of ${member}`, from, to })),
  {
    name: 'swaps handler and options of on',
    from: 'const [params, handler, options = {}] = readHandlerArgs(args)\n      return',
    to: 'const [params, options, handler = {}] = readHandlerArgs(args)\n      return',
  },
  {
    name: 'swaps data and options of publish',
    from: 'const [params = {}, data, options = {}] = withParams',
    to: 'const [params = {}, options = {}, data] = withParams',
  },
]

let folder: string
let output: string
const fileOf = (index: number) => `mutation${index}.ts`

beforeAll(async () => {
  // Inside the repository, so that packages resolve.
  folder = await mkdtemp(join(here, '.generated-'))
  const source = (await readFile(IMPLEMENTATION, 'utf8'))
    .replaceAll("from '../", "from '../../../sdk/")
    .replaceAll("from './", "from '../../../sdk/bus/")
    .replaceAll("import('../", "import('../../../sdk/")
    .replaceAll("import('./", "import('../../../sdk/bus/")
  await writeFile(join(folder, 'unchanged.ts'), source)
  for (const [index, { name, from, to }] of mutations.entries()) {
    if (!source.includes(from)) throw new Error(`${name}: ${IMPLEMENTATION} does not contain ${JSON.stringify(from)}`)
    await writeFile(join(folder, fileOf(index)), source.replace(from, to))
  }
  const config = {
    extends: '../../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['*.ts'],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  output = await new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { maxBuffer: 2 ** 26 }, (_, stdout) =>
      resolve(stdout),
    )
  })
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

it('the unchanged implementation compiles', () => {
  expect(output).not.toContain('unchanged.ts')
})

it.each(mutations.map(({ name }, index) => [name, index] as const))(
  'tsc fails if the implementation %s',
  (_, index) => {
    expect(output).toContain(`${fileOf(index)}(`)
  },
)
