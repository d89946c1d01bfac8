import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const SERVER = new URL('../../bridge/hosts/node.ts', import.meta.url).href

/** A process in which `npm install` of a package was forgotten. */
async function serveWithout(
  name: string,
  upstream: string,
): Promise<{ code?: string; message?: string; serving?: boolean }> {
  const hooks = `
    import { registerHooks } from 'node:module'
    registerHooks({ resolve(specifier, context, next) {
      if (specifier !== ${JSON.stringify(name)}) return next(specifier, context)
      throw Object.assign(new Error("Cannot find package"), { code: 'ERR_MODULE_NOT_FOUND' })
    } })`
  const program = `
    const { serve } = await import(${JSON.stringify(SERVER)})
    const report = (outcome) => process.stdout.write(JSON.stringify(outcome))
    const auth = { secret: 'a secret of at least thirty-two bytes' }
    await serve({ upstream: ${JSON.stringify(upstream)}, port: 0, auth }).then(
      ({ close }) => (report({ serving: true }), close()),
      ({ code, message }) => report({ code, message }),
    )`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', asUrl(hooks), '--input-type=module', '--eval', program],
    { timeout: 60_000 },
  )
  return JSON.parse(stdout)
}

function asUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`
}

it.each([
  ['nats', 'nats://127.0.0.1:1'],
  ['nats', 'tls://127.0.0.1:1,tls://127.0.0.1:2'],
  ['nats.ws', 'ws://127.0.0.1:1'],
])('serve rejects without the package %s for %s', async (name, upstream) => {
  const outcome = await serveWithout(name, upstream)
  expect(outcome).toMatchObject({ code: 'unsupported', message: expect.stringContaining(`"npm install ${name}"`) })
})

it('serve needs no package for the embedded broker', async () => {
  expect(await serveWithout('nats', 'embedded')).toEqual({ serving: true })
})
