// `npm test`. Runs on the Node of the machine, and test/run.ts on the Node among the dependencies.
import { runScript } from '../demo/setup/install.mjs'

await runScript('test/run.ts')
