/** The first steps of a user with the packed package, in empty folders: the quick start, and an image of the bridge. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { root } from '../build/source-files.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { readCommands, readExamples } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { SECRET } from '../support/token.ts'
import { Image, readDockerfile } from './dockerfile.ts'
import { type Package, packPackage } from './package.ts'
import { type Running, Shell } from './shell.ts'

let packed: Package
let folder: string
beforeAll(async () => {
  packed = await packPackage()
  folder = await mkdtemp(join(tmpdir(), 'spanwire-steps-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const empty = async (name: string) => {
  const path = join(folder, name)
  await mkdir(path)
  return path
}

it.skipIf(isSkipped('chromium'))(
  'the quick start of the README leads from an empty folder to an event in a page',
  async () => {
    const started = performance.now()
    const project = await empty('quick-start')
    await using shell = new Shell(project)
    const commands = await readCommands('README.md', 'Quick start')
    const examples = await readExamples('README.md')
    const command = (pattern: RegExp) => commands.find((line) => pattern.test(line)) ?? expect.fail(`no ${pattern}`)
    expect(commands.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      ...['npm init', 'npm install', 'npx spanwire', 'npm install', 'npx vite', 'npx spanwire'],
    ])
    // The package is not published yet.
    const quiet = '--no-audit --no-fund --prefer-offline'
    await shell.run(command(/^npm init/))
    await shell.run(command(/^npm install spanwire/).replace(' spanwire', ` ${quiet} ${packed.tarball}`))
    for (const name of ['events.ts', 'index.html']) await writeFile(join(project, name), examples.get(name) ?? '')
    const dev = shell.start(command(/^npx spanwire dev/))
    const [, url = ''] = await dev.written(/Page\s+(http\S+?)\/?\n/)
    const [, token = ''] = await dev.written(/Token\s+(\S+)/)
    // The reader pastes the token. Another process may use the usual port.
    const page = examples.get('page.ts')?.replace('<token>', token).replace('http://localhost:8080', url)
    await writeFile(join(project, 'page.ts'), page ?? '')
    await shell.run(command(/^npm install .*vite/).replace('install', `install ${quiet}`))
    const vite = shell.start(command(/^npx vite/))
    const [, local = ''] = await vite.written(/Local:\s+(http\S+)/)
    const browser = await launchChromium()
    try {
      const tab = await (await browser.newContext()).newPage()
      const complaints: string[] = []
      tab.on('pageerror', (error) => complaints.push(String(error)))
      await tab.goto(local)
      await tab.getByText('connected').waitFor({ timeout: 20_000 })
      await shell.run(command(/^npx spanwire pub/))
      await tab.getByText('lobby: hello').waitFor({ timeout: 10_000 })
      expect(complaints).toEqual([])
    } finally {
      await browser.close()
    }
    console.log(`from an empty folder to an event: ${((performance.now() - started) / 1_000).toFixed(1)} s`)
  },
  // The time that the quick start may take.
  60_000,
)

describe('the Dockerfile of bridge/ops', () => {
  it('makes a bridge that is healthy and drains, step by step without a container', async () => {
    const instructions = readDockerfile(await readFile(join(root, 'bridge/ops/Dockerfile'), 'utf8'))
    const ignored = await readFile(join(root, 'bridge/ops/Dockerfile.dockerignore'), 'utf8')
    const sources = instructions
      .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'))
      .flatMap(({ rest }) => rest.split(' ').slice(0, -1))
    expect(sources.filter((source) => !ignored.includes(`!${source}\n`))).toEqual([])
    // The folder in which the user builds the image.
    const context = await empty('image-context')
    await cp(packed.tarball, join(context, basename(packed.tarball)))
    const application = new Shell(context)
    const quiet = '--no-audit --no-fund --prefer-offline --package-lock-only'
    await writeFile(join(context, 'spanwire.config.ts'), 'export default { bridge: { drainPatience: 5_000 } }')
    await writeFile(join(context, 'package.json'), JSON.stringify({ name: 'bridge', private: true, type: 'module' }))
    await application.run(`npm install ${quiet} ./${basename(packed.tarball)} nats@2.29.3`)

    const image = await new Image(context, join(folder, 'image')).build(instructions)
    expect([image.user, image.port]).toEqual(['node', '8080'])
    await using shell = new Shell(image.workdir)
    const port = String(await freePort())
    const env = { ...image.env, HOST: '127.0.0.1', PORT: port, AUTH_SECRET: SECRET, UPSTREAM_URL: 'embedded' }
    expect(image.env).toMatchObject({ HOST: '0.0.0.0', PORT: '8080' })
    const bridge: Running = shell.start(image.command, env)
    await bridge.written(/listening on/)
    await eventually(() => shell.run(image.healthcheck, env).then(() => true), { what: 'a healthy bridge' })
    expect(await bridge.stop(image.stopSignal)).toBe(0)
    await expect(shell.run(image.healthcheck, env)).rejects.toThrow('failed')
  }, 120_000)
})
