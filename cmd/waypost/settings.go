package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/waypost-directory/waypost/node"
)

// configFile is the file of settings in a data folder.
const configFile = "waypost.yaml"

// settings are what flags, WAYPOST_… variables and waypost.yaml say, in that
// order of weight.
type settings struct{ v *viper.Viper }

func newSettings(root *cobra.Command) *settings {
	s := &settings{v: viper.New()}
	f := root.PersistentFlags()
	f.String("data", "", "data folder (WAYPOST_DATA)")
	f.String("config", "", "file of settings; waypost.yaml in the data folder or here when left out")
	f.String("base-url", "", "address that others reach this node at, such as https://riverside.example")
	f.Bool("dev", false, "allow http and loopback peers; for trying things out only")
	f.String("log", "info", "least level to log: debug, info, warn or error")
	f.Bool("json", false, "print JSON")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return s.read(cmd) }
	return s
}

func (s *settings) read(cmd *cobra.Command) error {
	s.v.SetEnvPrefix("WAYPOST")
	s.v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	s.v.AutomaticEnv()
	if err := s.v.BindPFlags(cmd.Flags()); err != nil {
		return err
	}
	file := s.v.GetString("config")
	if file == "" {
		file = s.findFile()
	}
	if file != "" {
		s.v.SetConfigFile(file)
		if err := s.v.ReadInConfig(); err != nil {
			return wrongUsage("cannot read the settings in %s: %s; mend the file or leave it out", file, oneLine(err))
		}
	}
	return s.fill(cmd.Flags())
}

// fill gives the flags that were not typed what the environment or the file
// says, so that commands may read either.
func (s *settings) fill(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Name == "version" || !s.v.IsSet(f.Name) {
			return
		}
		value := s.v.GetString(f.Name)
		if f.Value.Type() == "stringSlice" {
			value = strings.Join(s.v.GetStringSlice(f.Name), ",")
		}
		if value == f.DefValue || err != nil {
			return
		}
		if flags.Set(f.Name, value) != nil {
			err = wrongUsage("the setting %s cannot be %q; change WAYPOST_%s or the file of settings",
				f.Name, value, strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")))
		}
	})
	return err
}

// findFile looks in the data folder, then here. One in the data folder that
// may not be looked at is not taken for one that is not there.
func (s *settings) findFile() string {
	if dir := s.v.GetString("data"); dir != "" {
		file := filepath.Join(dir, configFile)
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return file
		}
	}
	if _, err := os.Stat(configFile); err == nil {
		return configFile
	}
	return ""
}

func (s *settings) data() (string, error) {
	dir := s.v.GetString("data")
	if dir == "" {
		return "", wrongUsage("which data folder? add --data DIR or set WAYPOST_DATA")
	}
	return filepath.Abs(dir)
}

func (s *settings) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.v.GetString("log"))); err != nil {
		return nil, wrongUsage("--log must be debug, info, warn or error, not %q", s.v.GetString("log"))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})), nil
}

// node is the configuration of the node in the data folder.
func (s *settings) node() (node.Config, error) {
	dir, err := s.data()
	if err != nil {
		return node.Config{}, err
	}
	log, err := s.logger()
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{DataDir: dir, BaseURL: s.v.GetString("base-url"), Store: s.v.GetString("store"),
		Dev: s.v.GetBool("dev"), Version: version, Logger: log}, nil
}

// existing is the configuration of a folder that init has set up.
func (s *settings) existing() (node.Config, error) {
	cfg, err := s.node()
	if err != nil {
		return cfg, err
	}
	_, err = os.Stat(filepath.Join(cfg.DataDir, "store"))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, fmt.Errorf("there is no Waypost data in %s; set it up with: waypost init --data %s", cfg.DataDir, cfg.DataDir)
	}
	return cfg, mayUse(cfg.DataDir)
}
