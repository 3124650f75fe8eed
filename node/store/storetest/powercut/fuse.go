//go:build linux

package powercut

import (
	"context"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is an inode as the kernel talks to it. Every method takes the disk's
// lock and fails while the mains are off.
type node struct {
	fs.Inode
	disk  *disk
	inode *inode
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeMknoder   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// do runs fn with the disk to itself.
func (n *node) do(fn func(d *disk) syscall.Errno) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.off {
		return syscall.EIO
	}
	return fn(n.disk)
}

// child presents i to the kernel.
func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	i.attr(&out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, inode: i}, fs.StableAttr{Mode: i.mode & syscall.S_IFMT, Ino: i.id})
}

func (i *inode) attr(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = i.id, i.mode, 1
	out.Size, out.Blocks, out.Blksize = uint64(i.now.size), uint64(len(i.now.pages)*pageSize/512), pageSize
	out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	out.SetTimes(nil, &i.mtime, &i.mtime)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (found *fs.Inode, errno syscall.Errno) {
	errno = n.do(func(*disk) syscall.Errno {
		i := n.inode.now.names[name]
		if i == nil {
			return syscall.ENOENT
		}
		found = n.child(ctx, i, out)
		return 0
	})
	return found, errno
}

func (n *node) make(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (made *fs.Inode, errno syscall.Errno) {
	errno = n.do(func(d *disk) syscall.Errno {
		i, errno := d.create(n.inode, name, mode)
		if errno == 0 {
			made = n.child(ctx, i, out)
		}
		return errno
	})
	return made, errno
}

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	made, errno := n.make(ctx, name, mode|syscall.S_IFREG, out)
	return made, nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, mode|syscall.S_IFDIR, out)
}

func (n *node) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, mode, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno { return d.remove(n.inode, name, false) })
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno { return d.remove(n.inode, name, true) })
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno {
		target, ok := to.(*node)
		if !ok || flags != 0 {
			return syscall.EINVAL
		}
		return d.move(n.inode, name, target.inode, newName)
	})
}

func (n *node) Readdir(context.Context) (list fs.DirStream, errno syscall.Errno) {
	errno = n.do(func(*disk) syscall.Errno {
		var entries []fuse.DirEntry
		for name, i := range n.inode.now.names {
			entries = append(entries, fuse.DirEntry{Name: name, Ino: i.id, Mode: i.mode})
		}
		list = fs.NewListDirStream(entries)
		return 0
	})
	return list, errno
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.do(func(*disk) syscall.Errno {
		n.inode.attr(&out.Attr)
		return 0
	})
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno {
		if size, ok := in.GetSize(); ok {
			d.truncate(n.inode, int64(size))
		}
		if mode, ok := in.GetMode(); ok {
			n.inode.mode = n.inode.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
		}
		n.inode.attr(&out.Attr)
		return 0
	})
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.do(func(*disk) syscall.Errno { return 0 })
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (result fuse.ReadResult, errno syscall.Errno) {
	errno = n.do(func(*disk) syscall.Errno {
		result = fuse.ReadResultData(dest[:n.inode.read(dest, off)])
		return 0
	})
	return result, errno
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (written uint32, errno syscall.Errno) {
	return uint32(len(data)), n.do(func(d *disk) syscall.Errno { return d.write(n.inode, data, off) })
}

// Fsync is fsync, fdatasync and msync of a file, and fsync of a directory.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno { return d.sync(n.inode) })
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.do(func(d *disk) syscall.Errno {
		free := int64(1 << 20)
		if d.limit >= 0 {
			free = max(d.limit-d.used, 0)
		}
		out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
		out.Blocks, out.Bfree, out.Bavail = uint64(d.used+free), uint64(free), uint64(free)
		return 0
	})
}
