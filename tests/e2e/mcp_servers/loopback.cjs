// Has every server of a process listen on loopback alone, and tells on which port: for programs that bind all interfaces
// and have no option.
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => console.error(`bound to ${this.address().port}`));
  return listen.call(this, port, "127.0.0.1", ...rest);
};
