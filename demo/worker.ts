import worker, { SpanwireHub, type WorkerEnv } from '../worker/index.ts'
import { demoToken } from './token.ts'

export { SpanwireHub }

/** The demo's Worker: the bridge, and tokens for visitors of the page if `DEMO` is `1`. */
export default {
  async fetch(request: Request, env: WorkerEnv & { readonly DEMO?: string }): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname !== '/demo/token' || env.DEMO !== '1' || !env.AUTH_SECRET) return worker.fetch(request, env)
    return Response.json({ token: await demoToken(env.AUTH_SECRET) }, { headers: { 'Cache-Control': 'no-store' } })
  },
}
