// Plain JavaScript without dependencies: it runs before dependencies are installed, on the Node of the machine.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const node = join(root, 'node_modules/.bin/node')

/** The oldest Node that starts these scripts. They continue on the Node among the dependencies. */
const OLDEST_NODE = 20

/** Installs the dependencies unless node_modules has the versions of the lock file. Ends the process if that fails. */
export async function installDependencies() {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    console.error(`Spanwire's scripts need Node ${OLDEST_NODE} or later. This is Node ${process.versions.node}.`)
    process.exit(1)
  }
  if (isInstalled()) return
  console.log('Installing dependencies, which takes a minute the first time …')
  const started = Date.now()
  // `npm ci` refuses a lock file that lacks packages of other platforms. This installs the versions of the lock file
  // and does not change it.
  const options = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const { code, output } = await run('npm', ['install', ...options])
  if (code !== 0) {
    console.error(output.trimEnd())
    console.error('\nnpm install failed. Check the network and the messages above, then try again.')
    process.exit(1)
  }
  if (!existsSync(node)) {
    console.error('npm has not installed Node 24: its install script was not allowed to run.')
    console.error('Run `npm install --ignore-scripts=false` in this folder, then try again.')
    process.exit(1)
  }
  console.log(`Dependencies are installed (${((Date.now() - started) / 1000).toFixed(0)} s).`)
}

/** Runs a TypeScript file on the Node of this project, with the arguments and the exit code of this process. */
export async function runScript(script) {
  await installDependencies()
  const path = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`
  const child = spawn(node, [join(root, script), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  })
  // A terminal sends Ctrl-C to both processes. A signal to this process only has to be forwarded.
  const end = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && end(), 1_000).unref()
  child.on('error', (error) => {
    console.error(`Can't run ${node}: ${error.message}. Delete node_modules and try again.`)
    process.exit(1)
  })
  child.on('exit', (code) => process.exit(code ?? 1))
}

/** Whether node_modules has the versions of the lock file. npm records the installed versions there. */
function isInstalled() {
  if (!existsSync(node)) return false
  try {
    const wanted = readPackages('package-lock.json')
    const present = readPackages('node_modules/.package-lock.json')
    return Object.entries(wanted).every(
      ([path, { version, optional, devOptional }]) =>
        path === '' || optional || devOptional || present[path]?.version === version,
    )
  } catch {
    return false
  }
}

function readPackages(name) {
  return JSON.parse(readFileSync(join(root, name), 'utf8')).packages
}

function run(command, args) {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', (error) => resolve({ code: 1, output: `${command}: ${error.message}` }))
    child.on('close', (code) => resolve({ code, output }))
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await installDependencies()
