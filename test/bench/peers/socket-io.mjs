// Socket.IO with rooms, without a broker behind it. Runs in the folder of its installation.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, maxHttpBufferSize: 1e6 })
io.on('connection', (socket) => {
  socket.on('join', (...subjects) => {
    socket.join(subjects)
    socket.emit('READY')
  })
  socket.on('say', (subject, payload) => {
    io.to(subject).emit('event', payload)
    if (subject.startsWith('own.')) io.to('own.*').emit('event', payload)
  })
})
http.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${http.address().port} `))
