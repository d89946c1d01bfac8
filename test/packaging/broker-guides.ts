/** Blocks of the guides for users of other brokers, written into folders of a project. */
import { execFile } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { root } from '../build/source-files.ts'
import type { TestBroker } from '../relays/brokers.ts'
import type { NatsServer } from '../support/nats-server.ts'

const run = promisify(execFile)

/** The README of relays has the blocks that all brokers share. */
export const RELAYS = 'bridge/relay/README.md'

/** A guide in sdk/migrate. */
export interface BrokerGuide {
  readonly kind: BrokerKind
  readonly page: string
  /** The address of the broker in the blocks. */
  readonly address: string
  /** Packages of the broker's clients. */
  readonly client: readonly string[]
  /** The minor version of nats-server 2 that the page names. */
  readonly natsServer: number
}

/** The path of a guide in the repository. */
export function pathOf({ page }: BrokerGuide): string {
  return `sdk/migrate/${page}`
}

/** Returns the addresses in the blocks of a guide, and the addresses of this test. */
export function addressesOf(
  { kind, address }: BrokerGuide,
  { foreign, nats }: { readonly foreign: TestBroker; readonly nats: NatsServer },
): Record<string, string> {
  const { broker } = foreign
  const port = kind === 'activemq' ? broker.stompPort : Number(broker.url.split(':').at(-1))
  return {
    [address]: `127.0.0.1:${port}`,
    "'127.0.0.1', 61613": `'127.0.0.1', ${port}`,
    'connect(61613,': `connect(${port},`,
    'nats://127.0.0.1:4222': nats.url,
  }
}

/** Writes blocks into a folder, with other addresses. */
export async function writeBlocks(
  folder: string,
  blocks: ReadonlyArray<readonly [name: string, code: string]>,
  addresses: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const [name, code] of blocks) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(
      path,
      Object.entries(addresses).reduce((text, [from, to]) => text.replaceAll(from, to), code),
    )
  }
}

/** Copies the steps that run both sides of each piece. */
export async function copySteps(folder: string, { kind }: BrokerGuide): Promise<void> {
  for (const name of ['steps.ts', `${kind}.ts`])
    await cp(join(import.meta.dirname, 'projects/brokers', name), join(folder, name))
}

/** Type checks all modules of a folder, strictly. Returns the errors of the compiler as text. */
export async function compile(folder: string): Promise<string> {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
    include: ['**/*.ts'],
    exclude: [],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [tsc, '-p', folder]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}
