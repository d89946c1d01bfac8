// `npm test`. Runs on the Node that is there; test/run.ts runs on the one that is installed with the dependencies.
import { runScript } from '../demo/setup/install.mjs'

await runScript('test/run.ts')
