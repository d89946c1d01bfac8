// `node demo/setup/run.mjs <script.ts> [argument …]`: installs the dependencies and runs a script on the Node among them.
// Node 20 can start this file. It cannot start TypeScript: it ends with ERR_UNKNOWN_FILE_EXTENSION.
import process from 'node:process'
import { runScript } from './install.mjs'

const [script = ''] = process.argv.splice(2, 1)
if (!script) {
  console.error('Name a script: node demo/setup/run.mjs test/bench/bench.ts')
  process.exit(1)
}
await runScript(script)
