import worker, { SpanwireHub, type WorkerEnv } from '../worker/index.ts'
import { answerDemo, type DemoEnv } from './routes.ts'

export { SpanwireHub }

/** The demo's Worker: the bridge, and the routes of the demo if `DEMO` is `1`. */
export default {
  async fetch(request: Request, env: WorkerEnv & DemoEnv): Promise<Response> {
    return (await answerDemo(request, env)) ?? worker.fetch(request, env)
  },
}
