import { Hono } from 'hono'
import { SignJWT } from 'jose'
import { serve } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { events } from './events.ts'
import { type Model, startService } from './service.ts'

export interface ServerOptions {
  readonly model: Model
  /** HTML and JavaScript of the page. */
  readonly page: { readonly html: string; readonly script: string }
  /** Default: any free port. */
  readonly port?: number
  /** Such as `nats://127.0.0.1:4222`. The embedded broker forgets answers when the process ends. */
  readonly upstream: string
  /** Secret of the tokens, at least 32 bytes. */
  readonly secret: string
}

/** A bridge, the page and one process that answers questions. */
export async function startServer({ model, page, port = 0, upstream, secret }: ServerOptions) {
  const routes = new Hono()
    .get('/', (c) => c.html(page.html))
    .get('/page.js', (c) => c.body(page.script, 200, { 'content-type': 'text/javascript' }))
    // Your application knows the user from its own sign-in. Here, everyone is Ada.
    .get('/session', async (c) => c.json({ user: 'ada', token: await sign('ada', READER) }))
  const server = await serve({ upstream, port, auth: { secret }, routes })

  const transport = webSocket({ url: server.url, token: () => sign('setup', SETUP) })
  await ensureStreams(events, transport, { defaults: { maxAge: 7 * 86_400_000 } })
  await transport.close()

  const service = startService({ url: server.url, token: () => sign('service', SERVICE), model })
  await service.ready
  return {
    url: server.url,
    async close() {
      await service.close()
      await server.close()
    },
  }

  function sign(user: string, nats: object): Promise<string> {
    const token = new SignJWT({ nats }).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setExpirationTime('1h')
    return token.sign(new TextEncoder().encode(secret))
  }
}

/** Users read and stop their own answers, and publish their own questions. */
const READER = {
  sub: { allow: ['answers.{{sub}}.*'] },
  pub: { allow: ['questions.{{sub}}.*', 'stops.{{sub}}.*'] },
}
const ALL = ['answers.*.*', 'questions.*.*', 'stops.*.*']
/** The service reads everything, writes answers, and uses the consumer `answers` of the stream of questions. */
const CONSUMER = ['INFO', 'MSG.NEXT', 'DURABLE.CREATE'].map((action) => `$JS.API.CONSUMER.${action}.QUESTIONS.answers`)
const SERVICE = { sub: { allow: ALL }, pub: { allow: ['answers.*.*', ...CONSUMER, '$JS.ACK.QUESTIONS.answers.>'] } }
/** The setup creates the streams of these subjects. */
const SETUP = { sub: { allow: ALL }, pub: { allow: ['$JS.API.STREAM.>'] } }
