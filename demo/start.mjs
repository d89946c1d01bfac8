// `npm start`. Runs on the Node that is there; demo/start.ts runs on the one that is installed with the dependencies.
import { runScript } from './setup/install.mjs'

await runScript('demo/start.ts')
