// `npm start`. Runs on the Node of the machine, and demo/start.ts on the Node among the dependencies.
import { runScript } from './setup/install.mjs'

await runScript('demo/start.ts')
