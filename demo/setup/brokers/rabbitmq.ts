import { spawn } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../free-port.ts'
import { unpackWithDependencies } from './debian-packages.ts'
import { accepts, type ForeignBroker, startForeignBroker } from './foreign-broker.ts'

/** Options of {@link startRabbit}. */
export interface RabbitOptions {
  /** More lines for `rabbitmq.conf`. */
  readonly config?: string
}

/**
 * Starts RabbitMQ with AMQP 0-9-1 and STOMP from Debian's package, which is unpacked into the cache folder. Undefined where
 * apt is unavailable. It runs without RabbitMQ's shell scripts, so that its process is the Erlang virtual machine itself.
 */
export async function startRabbit({ config = '' }: RabbitOptions = {}): Promise<ForeignBroker | undefined> {
  const root = await unpackWithDependencies('rabbitmq-server')
  if (!root) return undefined
  const erlang = join(root, 'usr/lib/erlang')
  const library = join(root, 'usr/lib/rabbitmq/lib')
  const home = join(library, (await readdir(library)).find((name) => name.startsWith('rabbitmq_server-')) ?? '')
  const version = home.slice(home.lastIndexOf('-') + 1)
  const runtime = (await readdir(erlang)).find((name) => name.startsWith('erts-')) ?? ''
  const programs = join(erlang, runtime, 'bin')
  return startForeignBroker(async (folder) => {
    const [port, stompPort, distribution, mapper] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
    const files = { config: join(folder, 'rabbitmq.conf'), plugins: join(folder, 'enabled_plugins') }
    const lines = [
      `listeners.tcp.default = 127.0.0.1:${port}`,
      `stomp.listeners.tcp.1 = 127.0.0.1:${stompPort}`,
      'loopback_users = none',
      'log.console = true',
      'log.file = false',
      // A kind of queue and a memory alarm that tests need; a small machine has less than the default's free disk.
      'disk_free_limit.absolute = 50MB',
      config,
    ]
    await writeFile(files.config, `${lines.join('\n')}\n`)
    await writeFile(files.plugins, '[rabbitmq_stomp].\n')
    const env = {
      ROOTDIR: erlang,
      BINDIR: programs,
      EMU: 'beam',
      PROGNAME: 'erl',
      HOME: folder,
      LD_LIBRARY_PATH: [join(root, 'usr/lib/x86_64-linux-gnu'), join(root, 'usr/lib/aarch64-linux-gnu')].join(':'),
      ERL_LIBS: join(home, 'plugins'),
      ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
      ERL_EPMD_PORT: String(mapper),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_HOME: home,
      RABBITMQ_NODENAME: `spanwire${port}@localhost`,
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_CONFIG_FILE: files.config,
      RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: files.plugins,
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      SYS_PREFIX: '',
    }
    return {
      kind: 'rabbitmq',
      version,
      url: `amqp://guest:guest@127.0.0.1:${port}`,
      stompPort,
      command: join(programs, 'erlexec'),
      args: [
        ...['-noinput', '-s', 'rabbit', 'boot', '-boot', 'start_sasl', '+W', 'w'],
        ...['+P', '1048576', '+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none'],
        ...['-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
        ...['-syslog', 'logger', '[]', '-syslog', 'syslog_error_logger', 'false'],
      ],
      env,
      readyPort: stompPort,
      isReady: () => accepts(port),
      companion: () => startPortMapper(join(programs, 'epmd'), mapper, env),
    }
  })
}

/** Erlang's port mapper. RabbitMQ would start one that outlives it. */
async function startPortMapper(
  program: string,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<{ stop(): Promise<void> }> {
  const options = ['-port', String(port), '-address', '127.0.0.1']
  const child = spawn(program, options, { stdio: 'ignore', env: { ...process.env, ...env } })
  const atExit = () => child.kill('SIGKILL')
  process.once('exit', atExit)
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  while (!isOver() && !(await accepts(port))) await pause(50)
  if (isOver()) throw new Error(`Erlang's port mapper ended while it started; port ${port} may be taken.`)
  return {
    async stop() {
      process.off('exit', atExit)
      if (isOver()) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}
